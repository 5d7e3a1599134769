-- enlist: list a queued job that a process of a version without the index has made.
-- KEYS[1]  the job's hash
-- returns  1 when it was to be listed
local was = redis.call('HMGET', KEYS[1], 'state', 'since')
if was[1] ~= 'queued' or was[2] then
  return 0
end
local t = redis.call('TIME')
enter(KEYS[1], t[1] * 1000 + math.floor(t[2] / 1000))
return 1
