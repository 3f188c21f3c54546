/// The IP address of a GTP-U peer.
package enum GTPUAddress: Hashable, Sendable {
  /// Four bytes, as a number in host byte order.
  case v4(UInt32)
  /// Sixteen bytes, as two numbers in host byte order.
  case v6(UInt64, UInt64)
}
