#include "actors/parcel.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace muster {

// -- sending ------------------------------------------------------------------

void parcel_sender::add(parcel_label label, caf::byte_buffer content) {
  parcel added;
  added.label = std::move(label);
  added.content = std::move(content);
  parcels_.push_back(std::move(added));
}

std::size_t parcel_sender::under_way() const noexcept {
  std::size_t result = 0;
  for (auto& each : parcels_) {
    if (each.number == 0)
      break;
    result += each.sent - each.received;
  }
  return result;
}

std::vector<parcel_chunk> parcel_sender::take_due(time_point now) {
  std::vector<parcel_chunk> due;
  auto bytes = under_way();
  if (bytes == 0) {
    since_ = now;
    again_at_ = now + options_.answer_limit;
  } else if (now >= again_at_) {
    for (auto& each : parcels_)
      each.sent = each.received;
    again_at_ = now + options_.answer_limit;
    bytes = 0;
  }
  auto room = options_.window * options_.chunk_bytes - bytes;
  for (auto& each : parcels_)
    while (each.sent < each.content.size()) {
      auto size
        = std::min(options_.chunk_bytes, each.content.size() - each.sent);
      if (size > room)
        return due;
      due.push_back(cut(each, size));
      room -= size;
    }
  return due;
}

parcel_chunk parcel_sender::cut(parcel& from, std::size_t size) {
  if (from.number == 0)
    from.number = ++last_number_;
  parcel_chunk result;
  result.session = session_;
  result.parcel = from.number;
  result.total = from.content.size();
  result.offset = from.sent;
  result.bytes.resize(size);
  std::memcpy(result.bytes.data(), from.content.data() + from.sent, size);
  from.sent += size;
  return result;
}

std::vector<parcel_label> parcel_sender::on_received(const parcel_received& msg,
                                                     time_point now) {
  std::vector<parcel_label> through;
  if (msg.session != session_)
    return through;
  auto has_news = false;
  while (!parcels_.empty() && parcels_.front().number != 0
         && parcels_.front().number < msg.parcel) {
    through.push_back(std::move(parcels_.front().label));
    parcels_.pop_front();
    has_news = true;
  }
  if (!parcels_.empty() && parcels_.front().number == msg.parcel
      && parcels_.front().received < msg.offset) {
    auto& first = parcels_.front();
    first.received
      = std::min(static_cast<std::size_t>(msg.offset), first.content.size());
    // After a return it may have what was not sent again yet.
    first.sent = std::max(first.sent, first.received);
    has_news = true;
  }
  if (has_news) {
    since_ = now;
    again_at_ = now + options_.answer_limit;
  }
  return through;
}

bool parcel_sender::is_stuck(time_point now) const {
  return under_way() > 0 && now - since_ >= options_.give_up_after;
}

std::vector<parcel_label> parcel_sender::take_waiting() {
  std::vector<parcel_label> result;
  auto first = std::find_if(parcels_.begin(), parcels_.end(),
                            [](auto& each) { return each.number == 0; });
  for (auto i = first; i != parcels_.end(); ++i)
    result.push_back(std::move(i->label));
  parcels_.erase(first, parcels_.end());
  return result;
}

std::vector<parcel_label> parcel_sender::begin_session(std::uint64_t number) {
  std::vector<parcel_label> result;
  for (auto& each : std::exchange(parcels_, {}))
    result.push_back(std::move(each.label));
  session_ = number;
  last_number_ = 0;
  return result;
}

std::vector<lease_token> parcel_sender::tokens() const {
  std::vector<lease_token> result;
  for (auto& each : parcels_)
    result.insert(result.end(), each.label.tokens.begin(),
                  each.label.tokens.end());
  return result;
}

bool parcel_sender::holds(lease_token token) const {
  return std::any_of(parcels_.begin(), parcels_.end(), [token](auto& each) {
    auto& tokens = each.label.tokens;
    return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
  });
}

// -- receiving ----------------------------------------------------------------

parcel_receiver::arrival parcel_receiver::on_chunk(const parcel_chunk& chunk) {
  arrival result;
  if (chunk.session == 0 || chunk.parcel == 0
      || chunk.total > limits::parcel_bytes || chunk.bytes.empty()
      || chunk.offset > chunk.total
      || chunk.bytes.size() > chunk.total - chunk.offset)
    return result;
  if (chunk.session > session_ && chunk.parcel == 1 && chunk.offset == 0) {
    reset();
    session_ = chunk.session;
  }
  if (chunk.session != session_)
    return result;
  // Others come too early, behind one that was lost, or again.
  if (chunk.parcel == complete_ + 1 && chunk.offset == content_.size()
      && (chunk.offset == 0 || chunk.total == total_)) {
    total_ = chunk.total;
    if (chunk.offset == 0)
      content_.reserve(total_);
    content_ += chunk.bytes;
    if (content_.size() == total_) {
      result.content = std::exchange(content_, {});
      ++complete_;
    }
  }
  result.answer = parcel_received{session_, complete_ + 1, content_.size()};
  return result;
}

void parcel_receiver::reset() {
  *this = parcel_receiver{};
}

} // namespace muster
