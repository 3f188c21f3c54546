// A host in C++: two workers under load while patches are swapped in and out.
//
//   host STATE-DIRECTORY MODULE TRUSTED-KEY PATCH
//
// Exits 0 when every batch ran in one of the two versions and each worker saw both.
#include <hitless/host.h>
#include <upf/slots.h>

#include <array>
#include <atomic>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::uint32_t kPackets = 32;

/// A worker with its own batch; counts packets by the version that handled them.
class Worker {
 public:
  Worker(hitless_agent *agent, std::string name) : agent_(agent), name_(std::move(name)) {
    batch_.size = sizeof batch_;
    batch_.count = kPackets;
    batch_.packets = packets_.data();
    batch_.verdicts = verdicts_.data();
    batch_.updates = updates_.data();
    tables_.size = sizeof tables_;
    tables_.qer_count = 1;
    tables_.qers = &qer_;
    tables_.buckets = buckets_.data();
  }

  void Run(const std::atomic<bool> &stopping) {
    hitless_worker *worker = nullptr;
    if (hitless_worker_register(agent_, name_.c_str(), &worker) != HITLESS_OK) return;
    worker_ = worker;
    while (!stopping.load(std::memory_order_relaxed)) {
      hitless_run_batch(worker, &Worker::Process, this);
      // Every so often as if it waited for packets.
      if (Batches() % 4096 == 0) {
        hitless_idle(worker);
        hitless_resume(worker);
      }
    }
    hitless_worker_unregister(agent_, worker);
  }

  std::uint64_t Batches() const { return batches_.load(std::memory_order_acquire); }
  std::uint64_t Handled(std::size_t patch) const { return handled_[patch]; }
  std::uint64_t Strange() const { return strange_; }

 private:
  static std::int32_t Process(const hitless_view *view, void *argument) {
    auto *self = static_cast<Worker *>(argument);
    self->verdicts_.fill(upf_verdict{});
    self->batch_.update_count = 0;
    static_cast<const upf_qer_table *>(hitless_table(view, 0))
        ->process(&self->tables_, &self->batch_);
    hitless_commit(self->worker_);
    for (const auto &verdict : self->verdicts_) {
      if (verdict.qer_mark < self->handled_.size()) {
        self->handled_[verdict.qer_mark]++;
      } else {
        self->strange_++;
      }
    }
    self->batches_.fetch_add(1, std::memory_order_release);
    return 0;
  }

  hitless_agent *agent_;
  hitless_worker *worker_ = nullptr;
  std::string name_;
  upf_batch batch_{};
  std::array<upf_packet, kPackets> packets_{};
  std::array<upf_verdict, kPackets> verdicts_{};
  std::array<upf_bucket_update, kPackets> updates_{};
  upf_qer qer_{};
  std::array<upf_bucket, 2> buckets_{};
  upf_qer_tables tables_{};
  std::array<std::uint64_t, 2> handled_{};
  std::uint64_t strange_ = 0;
  std::atomic<std::uint64_t> batches_{0};
};

bool Check(hitless_status status, const char *what) {
  if (status == HITLESS_OK) return true;
  std::vector<char> detail(4096);
  hitless_error_read(detail.data(), detail.size());
  std::cerr << what << ": " << detail.data() << "\n";
  return false;
}

hitless_agent *Open(char **arguments) {
  const char *keys[] = {arguments[3]};
  hitless_agent_options options{};
  options.size = sizeof options;
  options.abi_version = HITLESS_ABI_VERSION;
  options.state_directory = arguments[1];
  options.trust_keys = keys;
  options.trust_key_count = 1;
  hitless_slot_options slot{};
  slot.size = sizeof slot;
  slot.interface_id = UPF_INTERFACE_QER;
  slot.interface_version = UPF_INTERFACE_VERSION;
  slot.table_size = sizeof(upf_qer_table);
  slot.name = "qer";
  slot.module = arguments[2];
  hitless_agent *agent = nullptr;
  std::uint32_t index = 0;
  const bool opened = Check(hitless_agent_open(&options, &agent), "open") &&
                      Check(hitless_slot_define(agent, &slot, &index), "define slot") &&
                      Check(hitless_agent_start(agent), "start");
  return opened ? agent : nullptr;
}

void LetWork(const Worker &first, const Worker &second) {
  const auto goals = std::array{first.Batches() + 200, second.Batches() + 200};
  while (first.Batches() < goals[0] || second.Batches() < goals[1]) std::this_thread::yield();
}

}  // namespace

int main(int count, char **arguments) {
  if (count != 5) {
    std::cerr << "usage: host STATE-DIRECTORY MODULE TRUSTED-KEY PATCH\n";
    return 2;
  }
  hitless_agent *agent = Open(arguments);
  if (agent == nullptr) return 1;
  std::ifstream file(arguments[4], std::ios::binary);
  const std::vector<char> patch{std::istreambuf_iterator<char>(file), {}};
  std::uint64_t transaction = 0;
  if (!Check(hitless_patch_install(agent, patch.data(), patch.size(), &transaction), "install")) {
    return 1;
  }

  std::atomic<bool> stopping{false};
  Worker first(agent, "first"), second(agent, "second");
  std::thread one([&] { first.Run(stopping); });
  std::thread two([&] { second.Run(stopping); });
  bool fine = true;
  for (int round = 0; round < 50 && fine; round++) {
    LetWork(first, second);
    fine = Check(hitless_patch_activate(agent, transaction), "activate");
    LetWork(first, second);
    fine = fine && Check(hitless_patch_rollback(agent, transaction), "roll back");
  }
  stopping = true;
  one.join();
  two.join();
  fine = fine && Check(hitless_agent_close(agent), "close");

  for (const Worker *worker : {&first, &second}) {
    const auto sent = worker->Batches() * kPackets;
    std::cout << "packets " << sent << ", by 1.0.0 " << worker->Handled(0) << ", by 1.0.1 "
              << worker->Handled(1) << ", lost "
              << sent - worker->Handled(0) - worker->Handled(1) << "\n";
    fine = fine && worker->Strange() == 0 && worker->Handled(0) > 0 && worker->Handled(1) > 0 &&
           sent == worker->Handled(0) + worker->Handled(1);
  }
  return fine ? 0 : 1;
}
