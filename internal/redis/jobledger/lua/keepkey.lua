-- keepkey: the first job with a dedup key is enqueued.
-- KEYS[1]  who was the first
-- ARGV     1 job id, 2 for how long ms
-- returns  1 when it still was the first
local was = redis.call('GET', KEYS[1])
if was and was ~= '?' .. ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
