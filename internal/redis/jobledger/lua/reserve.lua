-- reserve: be the first job with a dedup key.
-- KEYS[1]  who was the first: its id, after a ? while it isn't known to be enqueued yet
-- ARGV     1 job id, 2 for how long ms, until it is known
-- returns  {answer, id of the first}; the answer is first, known, or pending when that one isn't known to be enqueued yet
local key, id = KEYS[1], ARGV[1]
local was = redis.call('GET', key)
if not was or was == '?' .. id then -- in the latter case it is asked once more
  redis.call('SET', key, '?' .. id, 'PX', ARGV[2])
  return {'first', id}
elseif string.sub(was, 1, 1) == '?' then
  return {'pending', string.sub(was, 2)}
end
return {'known', was}
