#include "runtime/actor_queue.hpp"

#include "test/support/temp_dir.hpp"

#include <catch2/catch_test_macros.hpp>

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/blocking_actor.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/init_global_meta_objects.hpp>
#include <caf/io/middleman.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <caf/typed_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

/// A type of the program's own, with an id of its own.
struct delivery_note {
  std::string item;
  int count = 0;
};

template <class Inspector>
bool inspect(Inspector& f, delivery_note& x) {
  return f.object(x).fields(f.field("item", x.item), f.field("count", x.count));
}

CAF_BEGIN_TYPE_ID_BLOCK(host_program, caf::first_custom_type_id)
CAF_ADD_TYPE_ID(host_program, (delivery_note))
CAF_END_TYPE_ID_BLOCK(host_program)

using namespace muster;
using namespace std::chrono_literals;

namespace {

struct networked_config : caf::actor_system_config {
  networked_config() {
    load<caf::io::middleman>();
  }
};

/// What actors of a test have in common.
struct notes {
  void add(std::string what) {
    std::lock_guard guard{mutex};
    seen.push_back(std::move(what));
  }

  std::mutex mutex;
  std::vector<std::string> seen;
  std::atomic<int> starts{0};
  std::atomic<int> crashes_left{0};
  std::promise<void> gate;
};

using notes_ptr = std::shared_ptr<notes>;

/// `gate` waits, `crash` throws, `later` is answered by a promise.
caf::behavior listener(caf::event_based_actor* self, notes_ptr shared) {
  ++shared->starts;
  self->set_exception_handler(
    [](std::exception_ptr&) -> caf::error { return caf::sec::runtime_error; });
  auto promise = std::make_shared<std::optional<caf::response_promise>>();
  return {
    [=](const std::string& text) -> caf::result<std::string> {
      shared->add(text);
      if (text == "gate")
        shared->gate.get_future().wait();
      if (text == "crash" && shared->crashes_left-- > 0)
        throw std::runtime_error{"crash"};
      if (text != "later")
        return "heard " + text;
      *promise = self->make_response_promise();
      self->delayed_send(self, 50ms, 0);
      return **promise;
    },
    [=](int) {
      shared->add("promise");
      (*promise)->deliver("kept my promise");
    },
  };
}

actor_factory listeners(notes_ptr shared) {
  return [shared](caf::actor_system& system) {
    return system.spawn(listener, shared);
  };
}

using twice = caf::typed_actor<caf::result<int>(int)>;

twice::behavior_type make_twice() {
  return {[](int x) { return 2 * x; }};
}

void make_thrice(caf::blocking_actor* self) {
  auto running = true;
  self->receive_while(running)([](int x) { return 3 * x; },
                               [&](caf::exit_msg&) { running = false; });
}

runtime open(const temp_dir& dir, const actor_queue& queue, bool worker = true,
             caf::actor_system* system = nullptr) {
  runtime_options options;
  options.directory = dir.path() / "data";
  options.concurrency = 2;
  options.worker = worker;
  options.system = system;
  queue.add_to(options);
  auto result = runtime::open(std::move(options));
  if (!result)
    FAIL(result.error().message);
  return std::move(*result);
}

/// Sends a message as another actor would, and returns the job's id.
template <class... Ts>
expected<job_id> send(runtime& jobs, const caf::actor& mailbox, Ts... xs) {
  expected<job_id> result;
  caf::scoped_actor self{jobs.system()};
  self->request(mailbox, 30s, std::move(xs)...)
    .receive([&](const std::string& id) { result = *parse_job_id(id); },
             [&](const caf::error& err) {
               result = fail_with(errc::unavailable, to_string(err));
             });
  return result;
}

template <class T>
T answer(runtime& jobs, expected<job_id> id) {
  REQUIRE(id);
  auto result = actor_queue::answer(jobs, *id, 30s);
  if (!result)
    FAIL(result.error().message);
  REQUIRE(result->match_elements<T>());
  return result->get_as<T>(0);
}

} // namespace

TEST_CASE(
  "a message is acknowledged with its job, whose result is the answer") {
  temp_dir dir;
  auto shared = std::make_shared<notes>();
  actor_queue queue{"listener", listeners(shared)};
  auto jobs = open(dir, queue);
  auto mailbox = queue.open(jobs);
  REQUIRE(mailbox);
  auto id = send(jobs, *mailbox, std::string{"hello"});
  CHECK(answer<std::string>(jobs, id) == "heard hello");
  CHECK(jobs.job(*id)->queue == "listener");
  // Of an answer that is promised: not before it is delivered.
  auto later = send(jobs, *mailbox, std::string{"later"});
  CHECK(answer<std::string>(jobs, later) == "kept my promise");
  CHECK(shared->seen == std::vector<std::string>{"hello", "later", "promise"});
}

TEST_CASE("messages come in order of priority, one at a time") {
  temp_dir dir;
  auto shared = std::make_shared<notes>();
  actor_queue queue{"listener", listeners(shared)};
  auto jobs = open(dir, queue);
  REQUIRE(queue.open(jobs));
  auto post = [&](std::string text, std::uint8_t priority) {
    auto id = queue.post(jobs, caf::make_message(std::move(text)),
                         {.priority = priority});
    REQUIRE(id);
    return *id;
  };
  auto first = post("gate", 100);
  while (jobs.job(first)->state != job_state::leased)
    std::this_thread::sleep_for(1ms);
  auto last = post("low", 1);
  post("middle", 100);
  post("middle too", 100);
  post("high", 200);
  shared->gate.set_value();
  CHECK(answer<std::string>(jobs, last) == "heard low");
  CHECK(
    shared->seen
    == std::vector<std::string>{"gate", "high", "middle", "middle too", "low"});
}

TEST_CASE("a message whose actor crashes is delivered to its successor") {
  temp_dir dir;
  auto shared = std::make_shared<notes>();
  shared->crashes_left = 1;
  actor_queue queue{"listener", listeners(shared)};
  auto jobs = open(dir, queue);
  auto mailbox = queue.open(jobs);
  REQUIRE(mailbox);
  auto id = send(jobs, *mailbox, std::string{"crash"});
  auto next = send(jobs, *mailbox, std::string{"next"});
  CHECK(answer<std::string>(jobs, id) == "heard crash");
  CHECK(answer<std::string>(jobs, next) == "heard next");
  CHECK(shared->starts == 2);
  CHECK(jobs.job(*id)->attempt == 2);
  CHECK(!jobs.failed());
}

TEST_CASE("a message that always crashes its actor is given up") {
  temp_dir dir;
  auto shared = std::make_shared<notes>();
  shared->crashes_left = 1'000;
  actor_queue queue{
    "listener", listeners(shared), {.message = {.max_attempts = 2}}};
  auto jobs = open(dir, queue);
  auto mailbox = queue.open(jobs);
  REQUIRE(mailbox);
  auto id = send(jobs, *mailbox, std::string{"crash"});
  REQUIRE(id);
  auto result = actor_queue::answer(jobs, *id, 30s);
  REQUIRE(!result);
  INFO(result.error().message);
  CHECK(result.error().code == errc::handler_failed);
  // The reason for which the actor ended.
  CHECK(result.error().message.find("runtime_error") != std::string::npos);
}

TEST_CASE("a message that the actor does not take fails for good") {
  temp_dir dir;
  actor_queue queue{"twice", [](caf::actor_system& system) {
                      return caf::actor_cast<caf::actor>(
                        system.spawn(make_twice));
                    }};
  auto jobs = open(dir, queue);
  auto mailbox = queue.open(jobs);
  REQUIRE(mailbox);
  auto id = send(jobs, *mailbox, std::string{"text"});
  REQUIRE(id);
  auto result = actor_queue::answer(jobs, *id, 30s);
  REQUIRE(!result);
  CHECK(result.error().message == "the actor does not take this message");
  CHECK(jobs.job(*id)->attempt == 1);
  // Typed actors take what they are for.
  CHECK(answer<int>(jobs, send(jobs, *mailbox, 21)) == 42);
  auto garbage = jobs.enqueue_bytes("twice", "no message");
  CHECK(jobs.wait_bytes(*garbage, 30s).error().message.find("no message of")
        != std::string::npos);
}

TEST_CASE("messages outlive the program that acknowledged them") {
  temp_dir dir;
  actor_queue queue{"thrice", [](caf::actor_system& system) {
                      return system.spawn(make_thrice);
                    }};
  expected<job_id> id;
  {
    // Nobody delivers.
    auto jobs = open(dir, queue, false);
    auto mailbox = queue.open(jobs);
    REQUIRE(mailbox);
    id = send(jobs, *mailbox, 5);
    jobs.close();
    CHECK(!send(jobs, *mailbox, 6));
  }
  auto jobs = open(dir, queue);
  REQUIRE(queue.open(jobs));
  CHECK(answer<int>(jobs, id) == 15);
}

TEST_CASE("a runtime uses the program's own actor system") {
  temp_dir dir;
  register_message_types();
  caf::actor_system_config config;
  caf::actor_system system{config};
  actor_queue queue{"twice", [](caf::actor_system& sys) {
                      return caf::actor_cast<caf::actor>(sys.spawn(make_twice));
                    }};
  auto jobs = open(dir, queue, true, &system);
  CHECK(&jobs.system() == &system);
  auto mailbox = queue.open(jobs);
  REQUIRE(mailbox);
  CHECK(answer<int>(jobs, send(jobs, *mailbox, 4)) == 8);
}

TEST_CASE("senders may be remote, and messages of types of the program's own") {
  temp_dir dir;
  caf::init_global_meta_objects<caf::id_block::host_program>();
  register_message_types();
  caf::io::middleman::init_global_meta_objects();
  networked_config config;
  caf::actor_system system{config};
  actor_queue queue{"notes", [](caf::actor_system& sys) {
                      return sys.spawn([] {
                        return caf::behavior{[](const delivery_note& note) {
                          return delivery_note{note.item, 2 * note.count};
                        }};
                      });
                    }};
  auto jobs = open(dir, queue, true, &system);
  auto mailbox = queue.open(jobs);
  REQUIRE(mailbox);
  auto port = system.middleman().publish(*mailbox, 0, "127.0.0.1");
  REQUIRE(port);
  expected<job_id> id;
  {
    networked_config far_config;
    caf::actor_system far{far_config};
    auto remote = far.middleman().remote_actor("127.0.0.1", *port);
    REQUIRE(remote);
    caf::scoped_actor self{far};
    self->request(*remote, 30s, delivery_note{"tea", 3})
      .receive([&](const std::string& text) { id = *parse_job_id(text); },
               [&](const caf::error& why) { FAIL(to_string(why)); });
  }
  auto done = answer<delivery_note>(jobs, id);
  CHECK(done.item == "tea");
  CHECK(done.count == 6);
  CHECK(system.middleman().unpublish(*mailbox, *port));
}
