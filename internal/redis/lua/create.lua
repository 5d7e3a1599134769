-- create: make a job's record unless there is one.
-- KEYS[1]  the job's hash
-- ARGV     field, value, … of the record
-- returns  1 when it was made
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
for i = 1, #ARGV, 2 do -- HSETNX, since a producer may not change what is there
  redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1])
end
return 1
