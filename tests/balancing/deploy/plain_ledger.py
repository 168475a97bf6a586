"""The ledger's counting once more, in plain Python, line by line and with lists: what the compiled one must equal."""

import math
import re
from datetime import UTC, datetime

import numpy as np

LINE = re.compile(
    rb"\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d)\.(\d{3})\] [^ ]{1,256} ([^ /]{1,256})/([^ /]{1,256}) "
    rb"(-?\d{1,9})/(-?\d{1,9})/(-?\d{1,9})/(-?\d{1,9})/(-?\d{1,9}) (-?\d{1,4}) "
)


class PlainLedger:
    """Counts as it takes each line in; `observe` gives done, busy_s and area_s."""

    def __init__(self, backend, servers):
        n = self.n = len(servers)
        self.backend, self.index = backend.encode(), {name.encode(): k for k, name in enumerate(servers)}
        self.done, self.busy, self.area, self.answers = ([0.0] * n for _ in range(4))
        self.unions, self.ended, self.held_since = [[] for _ in servers], [-math.inf] * n, [math.nan] * n
        self.open_s, self.open_area_s = [0.0] * n, [0.0] * n
        self.told, self.active, self.now_s, self.wall_s = [0.0] * n, [0.0] * n, None, None
        self.given_up, self.given_up_at = [0.0] * n, [-math.inf] * n
        self.usual_s, self.kept, self.ahead_s = [0.0] * (n + 1), [0] * (n + 1), None
        self.lines = self.odd = 0

    def take(self, datagram, wall_s):
        found = LINE.search(datagram)
        if found is None:
            self.odd += 1
            return
        if found[3] != self.backend or found[4] not in self.index:
            return
        try:
            began = datetime.strptime(found[1].decode(), "%d/%b/%Y:%H:%M:%S").replace(tzinfo=UTC).timestamp()
        except ValueError:
            self.odd += 1
            return
        request_ms, queue_ms, total_ms, status = (int(found[k]) for k in (5, 6, 9, 10))
        end = began + int(found[2]) / 1000 + max(total_ms, 0) / 1e3
        end += 900.0 * round(min(max(wall_s - end, -54000.0), 54000.0) / 900.0)
        if not -2.0 <= wall_s - end <= 60.0:
            self.odd += 1
            return
        length = max(total_ms - max(request_ms, 0) - max(queue_ms, 0), 0) / 1e3
        self.count(self.index[found[4]], end, length, status)

    def count(self, k, end, length, status):
        self.lines += 1
        self.answers[k] += 1.0
        self.ended[k] = max(self.ended[k], end)
        if not 100 <= status < 500 or status in (408, 429):
            self.area[k] += max(length, self.usual_s[-1])
            self.busy[k] += max(length, self.usual_s[-1])
            return
        self.area[k] += length - self.counted_already(k, end - length, length)
        self.busy[k] += self.cover(k, end - length, end)
        if status >= 400:
            usual_s = self.usual_s[k if self.kept[k] else -1]
            self.done[k] += 1.0 if length >= usual_s else length / usual_s
            return
        self.done[k] += 1.0
        for j in (k, -1):
            self.kept[j] = min(self.kept[j] + 1, 50)
            self.usual_s[j] += (length - self.usual_s[j]) / self.kept[j]

    def counted_already(self, k, start, length):
        counted = min(self.given_up[k], length) if start < self.given_up_at[k] else 0.0
        self.given_up[k] = self.given_up[k] - counted if counted else 0.0
        return counted

    def cover(self, k, start, end):
        union, known, later = self.unions[k], 0.0, []
        while union and union[-1][1] >= start:
            low, high = union.pop()
            if low > end:
                later.append((low, high))
            else:
                known += high - low
                start, end = min(start, low), max(end, high)
        self.unions[k] = [*union, (start, end), *reversed(later)][-64:]
        return end - start - known

    def observe(self, wall_s, now_s, active):
        if self.ahead_s is not None and abs(wall_s - now_s - self.ahead_s) > 1.0:
            self.unions = [[(wall_s - 120.0, wall_s)] for _ in self.unions]
            self.held_since, self.ended = [math.nan] * self.n, [wall_s] * self.n
            self.open_s, self.open_area_s, self.active, self.given_up = ([0.0] * self.n for _ in range(4))
        self.ahead_s = wall_s - now_s
        passed_s = 0.0 if self.now_s is None else now_s - self.now_s
        for k, flying in enumerate(active):
            self.hold(k, float(flying), wall_s, passed_s)
        self.now_s, self.wall_s = now_s, wall_s
        return np.array([self.done, np.add(self.busy, self.open_s), np.add(self.area, self.open_area_s)])

    def hold(self, k, active, wall_s, passed_s):
        silent, open_s, open_area_s = self.answers[k] == self.told[k], 0.0, 0.0
        if active and math.isnan(self.held_since[k]):
            self.held_since[k] = wall_s
        if active:
            open_s = max(wall_s - max(self.held_since[k], self.ended[k]), 0.0)
            longer_s = min(self.active[k], active) * passed_s
            open_area_s = self.open_area_s[k] + longer_s if silent else open_s * active
        elif silent and self.open_area_s[k] > 0.0:
            self.busy[k] += self.cover(k, self.wall_s - self.open_s[k], self.wall_s)
            self.area[k] += self.open_area_s[k]
            self.given_up[k] += self.open_area_s[k]
            self.given_up_at[k] = self.wall_s
        if not active:
            self.held_since[k] = math.nan
        self.open_s[k], self.open_area_s[k] = open_s, open_area_s
        self.told[k], self.active[k] = self.answers[k], active
