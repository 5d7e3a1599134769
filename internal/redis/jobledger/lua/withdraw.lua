-- withdraw: delete the record of a job that was never published.
-- KEYS[1]  the job's hash
-- returns  1 when it was deleted; 0 when there is none, or somebody has run the job
local was = redis.call('HMGET', KEYS[1], 'state', 'token', 'lane')
if was[1] == 'queued' and not was[2] then
  leave(KEYS[1], was[1], was[3])
  return redis.call('DEL', KEYS[1])
end
return 0
