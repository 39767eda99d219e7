-- Admits one request of a subject if fewer than `quota` were admitted in the window that ends now.
--
-- KEYS[1]  the log of the subject: a sorted set, one member per admitted request, scored by its time
-- ARGV[1]  quota
-- ARGV[2]  window, microseconds
-- ARGV[3]  a name for this request that no other has
--
-- Returns: 1 or 0 for admitted or not, what is left of the quota, microseconds until the oldest entry leaves the window.
-- The time is the server's, so that the clocks of gateways do not matter.
local quota, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
local used = redis.call('ZCARD', KEYS[1])
local admitted = 0
if used < quota then
  redis.call('ZADD', KEYS[1], now, ARGV[3])
  redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000))
  used = used + 1
  admitted = 1
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return { admitted, math.max(quota - used, 0), tonumber(oldest[2]) + window - now }
