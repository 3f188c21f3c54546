internal import COpenSSL

/// Which 32 bytes may serve as an Ed25519 public key (docs/format.md, section 6.2).
///
/// RFC 8032 leaves to the application what it does with points of small order. Such a key has valid
/// signatures that nobody needed a secret for, so it is refused where keys come in.
enum Ed25519Encoding {
  /// Why bytes are refused as a public key; nil when they may serve.
  static func defect(of raw: [UInt8]) -> String? {
    guard raw.count == 32 else { return "it has \(raw.count) bytes instead of 32" }
    var coordinate = raw
    coordinate[31] &= 0x7f
    guard isBelow(coordinate, prime) else { return "its coordinate is not reduced" }
    guard !smallOrder.contains(coordinate) else { return "it is a point of small order" }
    guard isOnCurve(coordinate) else { return "it is no point of the curve" }
    return nil
  }

  /// 2^255 - 19, least significant byte first.
  private static let prime: [UInt8] = [0xed] + [UInt8](repeating: 0xff, count: 30) + [0x7f]

  /// The y coordinates of the eight points whose order divides 8.
  private static let smallOrder: Set<[UInt8]> = [
    [UInt8](repeating: 0, count: 32),
    [1] + [UInt8](repeating: 0, count: 31),
    [0xec] + [UInt8](repeating: 0xff, count: 30) + [0x7f],
    [
      0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
      0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
      0xfc, 0x05,
    ],
    [
      0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
      0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
      0x03, 0x7a,
    ],
  ]

  private static func isBelow(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    left.reversed().lexicographicallyPrecedes(right.reversed())
  }

  /// Whether x² = (y² - 1) / (d·y² + 1) has a solution.
  ///
  /// A quotient u / v is a square exactly when the product u·v is, which Kronecker's symbol tells
  /// without a division.
  private static func isOnCurve(_ y: [UInt8]) -> Bool {
    let context = unsafe BN_CTX_new()
    unsafe BN_CTX_start(context)
    defer {
      unsafe BN_CTX_end(context)
      unsafe BN_CTX_free(context)
    }
    let p = unsafe BN_CTX_get(context)
    let d = unsafe BN_CTX_get(context)
    let square = unsafe BN_CTX_get(context)
    let u = unsafe BN_CTX_get(context)
    let v = unsafe BN_CTX_get(context)
    // The last allocation fails when any did, and every call below then returns 0 or -2.
    guard let v = unsafe v, unsafe BN_lebin2bn(prime, 32, p) != nil,
      unsafe BN_lebin2bn(curveConstant, 32, d) != nil, unsafe BN_lebin2bn(y, 32, u) != nil,
      unsafe BN_mod_sqr(square, u, p, context) == 1,
      unsafe BN_mod_mul(v, d, square, p, context) == 1, unsafe BN_add_word(v, 1) == 1,
      unsafe BN_copy(u, square) != nil, unsafe BN_sub_word(u, 1) == 1,
      unsafe BN_mod_mul(u, u, v, p, context) == 1
    else { return false }
    return unsafe BN_kronecker(u, p, context) == 1
  }

  /// The d of the curve, -121665 / 121666, least significant byte first.
  private static let curveConstant: [UInt8] = [
    0xa3, 0x78, 0x59, 0x13, 0xca, 0x4d, 0xeb, 0x75, 0xab, 0xd8, 0x41, 0x41, 0x4d, 0x0a, 0x70,
    0x00, 0x98, 0xe8, 0x79, 0x77, 0x79, 0x40, 0xc7, 0x8c, 0x73, 0xfe, 0x6f, 0x2b, 0xee, 0x6c,
    0x03, 0x52,
  ]
}
