#include "persistence/store_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace muster {

namespace {

// LMDB's file begins with two pages, each a page header and a head:
//
//     page header := page number(8) pad(2) flags(2) bounds(4)
//     head        := magic(4) version(4) address(8) map size(8)
//                    tree of free pages(48) tree of tables(48)
//                    last page(8) transaction(8)
//
// in the machine's byte order. The head with the newer transaction counts.
constexpr std::size_t page_header = 16;
constexpr std::uint32_t lmdb_magic = 0xBEEFC0DE;
constexpr std::uint32_t lmdb_version = 1;
constexpr std::uint16_t branch_flag = 0x01;
constexpr std::uint16_t leaf_flag = 0x02;
constexpr std::uint16_t head_flag = 0x08;
constexpr std::uint64_t no_page = ~std::uint64_t{0};

/// No file is larger: what half of the address space can map.
constexpr std::uint64_t largest_file = std::uint64_t{1} << 47;

struct tree_head {
  /// In the tree of free pages: the size of a page.
  std::uint32_t pad;
  std::uint16_t flags;
  std::uint16_t depth;
  std::array<std::uint64_t, 4> counts;
  std::uint64_t root;
};

struct file_head {
  std::uint32_t magic;
  std::uint32_t version;
  std::uint64_t address;
  std::uint64_t map_size;
  std::array<tree_head, 2> trees;
  std::uint64_t last_page;
  std::uint64_t transaction;
};

static_assert(sizeof(file_head) == 136);

struct page_start {
  std::uint64_t number = 0;
  std::uint16_t flags = 0;
};

bool read_bytes(int fd, void* to, std::size_t size, std::uint64_t offset) {
  return ::pread(fd, to, size, static_cast<off_t>(offset))
         == static_cast<ssize_t>(size);
}

std::optional<page_start> read_page_start(int fd, std::uint64_t offset) {
  std::array<unsigned char, page_header> bytes{};
  if (!read_bytes(fd, bytes.data(), bytes.size(), offset))
    return std::nullopt;
  page_start result;
  std::memcpy(&result.number, bytes.data(), sizeof(result.number));
  std::memcpy(&result.flags, bytes.data() + 10, sizeof(result.flags));
  return result;
}

std::optional<file_head> read_head(int fd, std::uint64_t offset) {
  auto start = read_page_start(fd, offset);
  file_head head{};
  if (!start || (start->flags & head_flag) == 0
      || !read_bytes(fd, &head, sizeof(head), offset + page_header)
      || head.magic != lmdb_magic)
    return std::nullopt;
  return head;
}

/// Whether the top page of a tree is where its head says.
bool root_is_there(int fd, const tree_head& tree, const file_head& head,
                   std::uint64_t page_size) {
  if (tree.root == no_page)
    return true;
  if (tree.root > head.last_page)
    return false;
  auto start = read_page_start(fd, tree.root * page_size);
  return start && start->number == tree.root
         && (start->flags & (branch_flag | leaf_flag)) != 0;
}

tl::unexpected<error> corrupt(const std::filesystem::path& path,
                              std::string_view why) {
  return fail_with(errc::store_corrupt,
                   path.string() + " is damaged: " + std::string{why});
}

} // namespace

descriptor::~descriptor() {
  if (fd_ >= 0)
    ::close(fd_);
}

std::string system_text(int number) {
  return std::error_code{number, std::system_category()}.message();
}

expected<int> lock_directory(const std::filesystem::path& dir) {
  auto path = dir / "lock";
  auto fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (fd < 0)
    return fail_with(errno == ENOSPC ? errc::disk_full : errc::io_error,
                     "cannot open " + path.string() + ": "
                       + system_text(errno));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    auto number = errno;
    ::close(fd);
    if (number == EWOULDBLOCK)
      return fail_with(errc::store_locked,
                       "another process uses the data directory "
                         + dir.string());
    return fail_with(errc::io_error, "cannot lock " + path.string() + ": "
                                       + system_text(number));
  }
  return fd;
}

expected<std::optional<missing_tail>>
check_file(const std::filesystem::path& path) {
  descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file.valid()) {
    if (errno == ENOENT)
      return std::nullopt;
    return fail_with(errc::io_error, "cannot open " + path.string() + ": "
                                       + system_text(errno));
  }
  struct stat info {};
  if (::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode))
    return fail_with(errc::store_foreign,
                     path.string() + " is not a regular file");
  if (info.st_size == 0)
    return std::nullopt;
  auto first = read_head(file.get(), 0);
  if (!first)
    return fail_with(errc::store_foreign, path.string() + " is not a store");
  if (first->version != lmdb_version)
    return fail_with(errc::store_foreign,
                     path.string()
                       + " has a format that this LMDB cannot read");
  std::uint64_t page_size = first->trees[0].pad;
  if (page_size < 512 || page_size > 65536)
    return corrupt(path, "its first page names no valid page size");
  auto second = read_head(file.get(), page_size);
  if (!second)
    return corrupt(path, "its second page is no head");
  auto& head = first->transaction >= second->transaction ? *first : *second;
  if (head.transaction == 0)
    return std::nullopt;
  if (head.last_page >= largest_file / page_size)
    return corrupt(path, "its last page lies beyond every file's end");
  for (auto& tree : head.trees)
    if (!root_is_there(file.get(), tree, head, page_size))
      return corrupt(path, "a tree has no root, or the file is cut short");
  auto size = static_cast<std::uint64_t>(info.st_size);
  auto whole = (head.last_page + 1) * page_size;
  if (whole <= size)
    return std::nullopt;
  return missing_tail{size, whole, size / page_size, head.last_page};
}

} // namespace muster
