#include "actors/messages.hpp"

#include "actors/inspection_messages.hpp"
#include "actors/local_node.hpp"

#include <caf/init_global_meta_objects.hpp>
#include <caf/io/middleman.hpp>
#include <caf/sec.hpp>

namespace muster {

caf::error to_caf(const error& err) {
  return caf::make_error(err.code, err.message);
}

error from_caf(const caf::error& err) {
  if (!err)
    return {};
  if (err.category() == caf::type_id_v<errc>) {
    auto code = static_cast<errc>(err.code());
    if (err.context().match_elements<std::string>())
      return error{code, err.context().get_as<std::string>(0)};
    return error{code};
  }
  auto code = errc::internal;
  if (err == caf::sec::request_timeout)
    code = errc::timed_out;
  else if (err == caf::sec::request_receiver_down
           || err == caf::sec::broken_promise)
    code = errc::unavailable;
  return error{code, to_string(err)};
}

void register_message_types() {
  static const bool done = [] {
    caf::core::init_global_meta_objects();
    caf::io::middleman::init_global_meta_objects();
    caf::init_global_meta_objects<caf::id_block::muster>();
    caf::init_global_meta_objects<caf::id_block::muster_inspection>();
    return true;
  }();
  static_cast<void>(done);
}

} // namespace muster
