#include "actors/message_text.hpp"

#include "actors/utf8.hpp"

#include <caf/detail/meta_object.hpp>
#include <caf/message.hpp>
#include <caf/serializer.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <string_view>
#include <utility>

namespace muster {

namespace {

/// Writes what inspectors show, and has them stop when there is enough of it.
class text_writer : public caf::serializer {
public:
  explicit text_writer(std::size_t max) : max_(max) {
    has_human_readable_format_ = true;
  }

  [[nodiscard]] bool full() const noexcept {
    return out_.size() > max_;
  }

  [[nodiscard]] std::string take() {
    if (!full())
      return std::move(out_);
    constexpr std::string_view more = "…";
    return std::string{utf8_head(out_, max_ - more.size())}.append(more);
  }

  bool put(std::string_view text) {
    // One byte too many tells that there was more.
    out_ += text.substr(0, max_ + 1 - std::min(out_.size(), max_));
    return !full();
  }

  [[nodiscard]] std::size_t size() const noexcept {
    return out_.size();
  }

  bool begin_object(caf::type_id_t, caf::string_view name) override {
    separate();
    if (name == "message" || name == "anonymous")
      return begin();
    return put({name.data(), name.size()}) && begin();
  }

  bool end_object() override {
    return end();
  }

  bool begin_field(caf::string_view) override {
    return !full();
  }

  bool begin_field(caf::string_view, bool present) override {
    if (present)
      return !full();
    separate();
    return put("none");
  }

  bool begin_field(caf::string_view, caf::span<const caf::type_id_t>,
                   size_t) override {
    return !full();
  }

  bool begin_field(caf::string_view name, bool present,
                   caf::span<const caf::type_id_t>, size_t) override {
    return begin_field(name, present);
  }

  bool end_field() override {
    return !full();
  }

  bool begin_tuple(size_t) override {
    separate();
    return begin();
  }

  bool end_tuple() override {
    return end();
  }

  bool begin_sequence(size_t) override {
    separate();
    first_ = true;
    return put("[");
  }

  bool end_sequence() override {
    first_ = false;
    return put("]");
  }

  bool value(caf::byte x) override {
    return put_value(static_cast<unsigned>(x));
  }
  bool value(bool x) override {
    return put_value(x);
  }
  bool value(int8_t x) override {
    return put_value(static_cast<int>(x));
  }
  bool value(uint8_t x) override {
    return put_value(static_cast<unsigned>(x));
  }
  bool value(int16_t x) override {
    return put_value(x);
  }
  bool value(uint16_t x) override {
    return put_value(x);
  }
  bool value(int32_t x) override {
    return put_value(x);
  }
  bool value(uint32_t x) override {
    return put_value(x);
  }
  bool value(int64_t x) override {
    return put_value(x);
  }
  bool value(uint64_t x) override {
    return put_value(x);
  }
  bool value(float x) override {
    return put_value(x);
  }
  bool value(double x) override {
    return put_value(x);
  }
  bool value(long double x) override {
    return put_value(static_cast<double>(x));
  }

  bool value(caf::string_view x) override {
    separate();
    std::string_view text{x.data(), std::min(x.size(), max_ + 1)};
    std::string shown = "\"";
    for (auto c : clean_utf8(text))
      shown += std::iscntrl(static_cast<unsigned char>(c)) != 0 ? ' ' : c;
    return put(shown) && put("\"");
  }

  bool value(const std::u16string& x) override {
    return put_size(x.size());
  }
  bool value(const std::u32string& x) override {
    return put_size(x.size());
  }
  bool value(caf::span<const caf::byte> x) override {
    return put_size(x.size());
  }

private:
  void separate() {
    if (!first_)
      put(", ");
    first_ = false;
  }

  bool begin() {
    first_ = true;
    return put("(");
  }

  bool end() {
    first_ = false;
    return put(")");
  }

  template <class T>
  bool put_value(T x) {
    separate();
    return put(fmt::format("{}", x));
  }

  bool put_size(std::size_t size) {
    separate();
    return put(fmt::format("{} characters", size));
  }

  std::size_t max_;
  std::string out_;
  bool first_ = true;
};

} // namespace

std::string message_text(const caf::message& what, std::size_t max) {
  text_writer out{max};
  auto types = what.types();
  for (std::size_t i = 0; i < what.size() && !out.full(); ++i) {
    auto* meta = caf::detail::global_meta_object(types[i]);
    auto before = out.size();
    if (meta == nullptr || meta->save(out, what.cdata().at(i)) || out.full())
      continue;
    // What is not for other processes, or holds actors, cannot be written.
    if (out.size() == before)
      out.put({meta->type_name.data(), meta->type_name.size()});
    else
      out.put("…)");
  }
  return out.take();
}

} // namespace muster
