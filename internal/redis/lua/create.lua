-- create: make a job's record unless there is one. A missing job is begun anew.
-- KEYS[1]  the job's hash
-- ARGV     field, value, … of the record, its state first
-- returns  1 when it was made
local key = KEYS[1]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local was = redis.call('HMGET', key, 'state')[1]
if was == 'queued' then -- whoever asks is about to publish it (again)
  redis.call('HSET', key, 'since', now)
end
if was and was ~= 'missing' then
  return 0
elseif was then
  leave(key, was, '')
  redis.call('DEL', key)
end
redis.call('HSET', key, unpack(ARGV))
if ARGV[2] == 'queued' then
  enter(key, now)
end
return 1
