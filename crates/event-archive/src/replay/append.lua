-- Appends events to a stream of a replay, as many as its window has room for; what is there already is passed over.
-- KEYS[1] the stream. ARGV[1] the window in entries, ARGV[2] seconds after the last touch until the stream is gone,
-- then per event its sequence number and its field `e`.
-- Returns the last sequence number in the stream.
local last, length = 0, 0
if redis.call('EXISTS', KEYS[1]) == 1 then
    local info = redis.call('XINFO', 'STREAM', KEYS[1])
    for i = 1, #info, 2 do
        if info[i] == 'last-generated-id' then last = tonumber(string.match(info[i + 1], '^%d+')) end
    end
    length = redis.call('XLEN', KEYS[1])
    -- Room is made of what every group has read and acknowledged.
    if length >= tonumber(ARGV[1]) then
        local floor
        for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
            local name, delivered
            for i = 1, #group, 2 do
                if group[i] == 'name' then name = group[i + 1] end
                if group[i] == 'last-delivered-id' then delivered = tonumber(string.match(group[i + 1], '^%d+')) end
            end
            local pending = redis.call('XPENDING', KEYS[1], name)
            if pending[1] > 0 then delivered = tonumber(string.match(pending[2], '^%d+')) - 1 end
            if not floor or delivered < floor then floor = delivered end
        end
        if floor then
            redis.call('XTRIM', KEYS[1], 'MINID', string.format('%.0f-0', floor + 1))
            length = redis.call('XLEN', KEYS[1])
        end
    end
end

local at = 3
while at <= #ARGV and length < tonumber(ARGV[1]) do
    local sequence = tonumber(ARGV[at])
    if sequence > last then
        redis.call('XADD', KEYS[1], ARGV[at] .. '-0', 'e', ARGV[at + 1])
        last, length = sequence, length + 1
    end
    at = at + 2
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return string.format('%.0f', last)
