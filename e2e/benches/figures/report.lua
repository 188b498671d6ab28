-- One line for a program to read; what wrk prints for people rounds too much.
-- No `request` or `response` here: a script that has them slows wrk down.
function done(summary, latency, requests)
   local errors = summary.errors
   local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
   io.write(string.format("figures %d %d %d %d %d\n", summary.duration, summary.requests,
                          summary.bytes, latency:percentile(99), failed))
end
