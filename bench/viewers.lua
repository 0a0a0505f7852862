-- wrk: each connection is one signed-in viewer who refreshes SECONDS after the last answer (bench/load.py).
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  local path, count, seconds = args[1], tonumber(args[2]), tonumber(args[3])
  asked, at, waited, pause = {}, 0, 0, seconds * 1000
  math.randomseed(number + 1)
  local line_number = 0
  for line in io.lines(path) do
    if line_number % count == number then
      local address, cookie, version, etags = line:match("([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)")
      asked[#asked + 1] = wrk.format("GET", address, {
        ["Host"] = "localhost", ["Cookie"] = cookie, ["X-Live"] = version, ["X-Live-Etags"] = etags,
        ["Accept-Encoding"] = "gzip",
      })
    end
    line_number = line_number + 1
  end
end

function request()
  at = at % #asked + 1
  return asked[at]
end

-- The first time at any moment of the interval: viewers do not begin together.
function delay()
  waited = waited + 1
  return waited <= #asked and math.random(0, pause) or pause
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.1f, "bytes": %d, "p50_ms": %.1f, "p95_ms": %.1f, "p99_ms": %.1f, "max_ms": %.1f, ' ..
    '"errors": {"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}}\n',
    summary.requests, summary.duration / 1e6, summary.bytes, latency:percentile(50) / 1000,
    latency:percentile(95) / 1000, latency:percentile(99) / 1000, latency.max / 1000,
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
