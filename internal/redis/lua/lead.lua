-- lead: become the leader, or stay it, unless another one is.
-- KEYS[1]  the leader
-- ARGV     1 candidate, 2 for how long ms
-- returns  1 when the candidate leads
local leader = redis.call('GET', KEYS[1])
if leader and leader ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
