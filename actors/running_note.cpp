#include "actors/running_note.hpp"

#include "actors/spawn.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>

namespace muster {

namespace {

constexpr std::array<char, 16> magic{'m', 'u', 's', 't', 'e', 'r', ' ', 'r',
                                     'u', 'n', 'n', 'i', 'n', 'g', ' ', '1'};

// Of this machine alone: the layout is the memory's.
struct note_header {
  std::array<char, 16> magic{};
  std::array<char, limits::noted_incarnation + 1> incarnation{};
  std::uint64_t slots = 0;
};

struct note_slot {
  std::atomic<std::uint64_t> id;
  std::atomic<std::uint32_t> attempt;
  // Written last: without it the others mean nothing.
  std::atomic<std::uint32_t> running;
  std::atomic<std::int32_t> group;
  std::uint32_t unused;
};

static_assert(std::atomic<std::uint64_t>::is_always_lock_free
              && std::atomic<std::uint32_t>::is_always_lock_free);
static_assert(sizeof(note_slot) == 24 && sizeof(note_header) == 88);

std::size_t size_of(std::size_t slots) noexcept {
  return sizeof(note_header) + slots * sizeof(note_slot);
}

tl::unexpected<error> failed(const std::filesystem::path& file, int number) {
  return fail_with(errc::io_error, "cannot write " + file.string() + ": "
                                     + std::system_category().message(number));
}

} // namespace

struct running_note::layout {
  note_header header;
  // As many as the header says.
  note_slot first;
};

expected<std::shared_ptr<running_note>>
running_note::create(const std::filesystem::path& file,
                     std::string_view incarnation, std::size_t slots) {
  slots = std::max<std::size_t>(slots, 1);
  // A writer of before may still have the old file in its memory.
  ::unlink(file.c_str());
  descriptor fd{
    ::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
  if (!fd.valid())
    return failed(file, errno);
  auto bytes = size_of(slots);
  // Without room on the disk a write to the memory would end the process.
  if (auto number = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(bytes)))
    return failed(file, number);
  auto* at
    = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (at == MAP_FAILED)
    return failed(file, errno);
  auto* content = static_cast<layout*>(at);
  content->header.slots = slots;
  incarnation = incarnation.substr(0, limits::noted_incarnation);
  std::copy(incarnation.begin(), incarnation.end(),
            content->header.incarnation.begin());
  content->header.magic = magic;
  return std::shared_ptr<running_note>{new running_note{content, slots}};
}

running_note::running_note(layout* at, std::size_t slots) noexcept
  : layout_(at), slots_(slots) {
  // nop
}

running_note::~running_note() {
  ::munmap(layout_, size_of(slots_));
}

void running_note::begin(std::size_t slot, lease_token token) noexcept {
  if (slot >= slots_)
    return;
  auto& own = (&layout_->first)[slot];
  own.id.store(static_cast<std::uint64_t>(token.id), std::memory_order_relaxed);
  own.attempt.store(token.attempt, std::memory_order_relaxed);
  own.running.store(1, std::memory_order_release);
}

void running_note::end(std::size_t slot) noexcept {
  if (slot < slots_)
    (&layout_->first)[slot].running.store(0, std::memory_order_release);
}

std::atomic<std::int32_t>* running_note::group(std::size_t slot) noexcept {
  return slot < slots_ ? &(&layout_->first)[slot].group : nullptr;
}

expected<noted_attempts> read_running_note(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  if (!in)
    return fail_with(errc::io_error, "cannot read " + file.string());
  std::string bytes{std::istreambuf_iterator<char>{in}, {}};
  note_header header;
  if (bytes.size() < sizeof(header))
    return fail_with(errc::malformed, file.string() + " is cut");
  std::memcpy(&header, bytes.data(), sizeof(header));
  auto room = (bytes.size() - sizeof(header)) / sizeof(note_slot);
  if (header.magic != magic || header.slots > room)
    return fail_with(errc::malformed,
                     file.string() + " is no note of running attempts");
  noted_attempts result;
  header.incarnation.back() = '\0';
  result.incarnation = header.incarnation.data();
  for (std::size_t i = 0; i < header.slots; ++i) {
    struct {
      std::uint64_t id;
      std::uint32_t attempt;
      std::uint32_t running;
      std::int32_t group;
      std::uint32_t unused;
    } slot;
    static_assert(sizeof(slot) == sizeof(note_slot));
    std::memcpy(&slot, bytes.data() + size_of(i), sizeof(slot));
    if (slot.running == 1)
      result.running.push_back({job_id{slot.id}, slot.attempt});
    // 1 would mean all processes there are.
    if (slot.group > 1)
      result.groups.push_back(slot.group);
  }
  return result;
}

} // namespace muster
