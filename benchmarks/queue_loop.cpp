// Parallel M/M/1 queues with random routing, as a C++ programmer would write the engine's benchmark model by hand.
//
// Three event lists: a tournament tree, which is the engine's own structure, with the winner kept in registers or found
// by its index (which of them is faster depends on the compiler), and std::priority_queue. Random numbers are
// SFC64 words through NumPy's exponential ziggurat, from the states that the engine starts from, so that all loops
// serve the same customers and their mean sojourn times can be compared.
//
// Standard input: the ziggurat's three tables (int64, double, double; 256 each), then requests: int64 event list
// (0 tree by registers, 1 tree by index, 2 priority_queue), servers, customers; double load; uint64 states[servers + 2][4] (arrivals, choices, one
// per server). Each is answered by a line: CPU seconds of the loop, events, mean sojourn time.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <limits>
#include <queue>
#include <utility>
#include <vector>

namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr int64_t kRoom = 256;  // customers that a server's ring holds

int64_t bound[256];
double width[256], density[256];

struct Stream {
  uint64_t a, b, c, d;

  uint64_t word() {
    const uint64_t w = a + b + d;
    a = b ^ (b >> 11);
    b = c + (c << 3);
    c = ((c << 24) | (c >> 40)) + w;
    ++d;
    return w;
  }

  double uniform() { return static_cast<double>(word() >> 11) * 0x1p-53; }

  double exponential() {
    int64_t place = static_cast<int64_t>(word() >> 3);
    const int64_t layer = place & 255;
    place >>= 8;
    const double x = static_cast<double>(place) * width[layer];
    return place < bound[layer] ? x : rest(layer, x);
  }

  __attribute__((noinline)) double rest(int64_t layer, double x) {
    for (;;) {
      if (layer == 0) return 7.69711747013104972 - std::log1p(-uniform());
      if ((density[layer - 1] - density[layer]) * uniform() + density[layer] < std::exp(-x)) return x;
      int64_t place = static_cast<int64_t>(word() >> 3);
      layer = place & 255;
      place >>= 8;
      x = static_cast<double>(place) * width[layer];
      if (place < bound[layer]) return x;
    }
  }

  int64_t integers(uint64_t n) {  // Lemire 2019
    unsigned __int128 product = static_cast<unsigned __int128>(word()) * n;
    if (static_cast<uint64_t>(product) < n) {
      const uint64_t least = (0 - n) % n;
      while (static_cast<uint64_t>(product) < least) product = static_cast<unsigned __int128>(word()) * n;
    }
    return static_cast<int64_t>(product >> 64);
  }
};

struct Moments {
  double count = 0, mean = 0, squares = 0, least = kNever, greatest = -kNever;

  void add(double value) {
    count += 1;
    const double away = value - mean;
    mean += away / count;
    squares += away * (value - mean);
    if (value < least) least = value;
    if (value > greatest) greatest = value;
  }
};

struct Servers {  // queue lengths, and the arrival times of waiting customers in a ring per server
  std::vector<int64_t> length, head;
  std::vector<double> since;

  explicit Servers(int64_t n) : length(n), head(n), since(n * kRoom) {}

  bool join(int64_t k, double now) {  // whether the server was idle
    since[k * kRoom + ((head[k] + length[k]) & (kRoom - 1))] = now;
    return ++length[k] == 1;
  }

  double leave(int64_t k) {  // when the customer had come
    const double came = since[k * kRoom + head[k]];
    head[k] = (head[k] + 1) & (kRoom - 1);
    --length[k];
    return came;
  }
};

template <bool by_index>
struct Tree {
  int64_t leaves = 1;
  std::vector<double> time;
  std::vector<int64_t> slot;

  explicit Tree(int64_t n) {
    while (leaves < n) leaves *= 2;
    time.assign(2 * leaves, kNever);
    slot.assign(2 * leaves, 0);
    for (int64_t k = 0; k < leaves; ++k) slot[leaves + k] = k;
    for (int64_t node = leaves - 1; node > 0; --node) slot[node] = slot[2 * node];
  }

  void set(int64_t k, double when) {
    int64_t node = leaves + k;
    time[node] = when;
    while (by_index && node > 1) {
      const int64_t left = node & -2;
      const int64_t winner = time[left] <= time[left + 1] ? left : left + 1;
      node >>= 1;
      time[node] = time[winner];
      slot[node] = slot[winner];
    }
    while (node > 1) {
      const double other = time[node ^ 1];
      const int64_t rival = slot[node ^ 1];
      const bool loses = (other < when) | ((other == when) & (rival < k));
      when = other < when ? other : when;
      k = loses ? rival : k;
      node >>= 1;
      time[node] = when;
      slot[node] = k;
    }
  }
};

struct Run {
  int64_t customers;
  double gap;
  Stream arrivals, choices;
  std::vector<Stream> services;
  Servers servers;
  Moments sojourn;
  int64_t events = 0;

  template <bool by_index>
  void with_tree() {
    const uint64_t n = services.size();
    Tree<by_index> tree(n);
    double arrival = arrivals.exponential() * gap;
    int64_t arrived = 0, served = 0;
    while (served < customers) {
      const double now = tree.time[1];
      if (arrived < customers && arrival < now) {
        const int64_t k = choices.integers(n);
        if (servers.join(k, arrival)) tree.set(k, arrival + services[k].exponential());
        ++arrived;
        arrival += arrivals.exponential() * gap;
      } else {
        const int64_t k = tree.slot[1];
        sojourn.add(now - servers.leave(k));
        tree.set(k, servers.length[k] > 0 ? now + services[k].exponential() : kNever);
        ++served;
      }
    }
    events = arrived + served;
  }

  void with_priority_queue() {
    using Event = std::pair<double, int64_t>;  // server -1: an arrival
    std::priority_queue<Event, std::vector<Event>, std::greater<Event>> pending;
    pending.push({arrivals.exponential() * gap, -1});
    int64_t arrived = 0, served = 0;
    while (served < customers) {
      const auto [now, server] = pending.top();
      pending.pop();
      if (server < 0) {
        const int64_t k = choices.integers(services.size());
        if (servers.join(k, now)) pending.push({now + services[k].exponential(), k});
        if (++arrived < customers) pending.push({now + arrivals.exponential() * gap, -1});
      } else {
        sojourn.add(now - servers.leave(server));
        if (servers.length[server] > 0) pending.push({now + services[server].exponential(), server});
        ++served;
      }
    }
    events = arrived + served;
  }
};

bool read(void* into, size_t size, size_t count) { return std::fread(into, size, count, stdin) == count; }

}  // namespace

int main() {
  if (!read(bound, 8, 256) || !read(width, 8, 256) || !read(density, 8, 256)) return 2;
  int64_t asked[3];
  double load;
  while (read(asked, 8, 3) && read(&load, 8, 1)) {
    const int64_t n = asked[1];
    std::vector<Stream> states(n + 2);
    if (!read(states.data(), sizeof(Stream), n + 2)) return 2;
    Run run{asked[2], 1 / (load * n), states[0], states[1], {states.begin() + 2, states.end()}, Servers(n), {}};
    const std::clock_t begun = std::clock();
    switch (asked[0]) {
      case 0: run.with_tree<false>(); break;
      case 1: run.with_tree<true>(); break;
      default: run.with_priority_queue();
    }
    const double seconds = static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC;
    std::printf("%.9g %lld %.17g\n", seconds, static_cast<long long>(run.events), run.sojourn.mean);
    std::fflush(stdout);
  }
  return 0;
}
