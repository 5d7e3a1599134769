-- releasekey: the first job with a dedup key wasn't enqueued.
-- KEYS[1]  who was the first
-- ARGV     1 job id
-- returns  1 when it was
if redis.call('GET', KEYS[1]) == '?' .. ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
