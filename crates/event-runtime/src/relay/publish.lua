-- Appends a batch to a stream, only if its last id is what the relay believes it to be.
--
-- KEYS[1]  the stream
-- ARGV     per entry: its sequence number and its field `e`; at the end the sequence number that the relay believes to be the
--          last one, 0 for an empty stream
--
-- Returns the last sequence number of the stream after the call. A result other than that of the batch's last entry
-- means that the batch was refused: another relay was here, or the stream has lost its tail.
local function last_sequence()
  local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
  if info.err then return '0' end
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return string.match(info[i + 1], '^(%d+)-') end
  end
end

local last = last_sequence()
if last ~= ARGV[#ARGV] then return last end

for at = 1, #ARGV - 1, 2 do
  -- Sequence numbers stay strings: a Lua number would lose the ones above 2^53.
  redis.call('XADD', KEYS[1], ARGV[at] .. '-0', 'e', ARGV[at + 1])
  last = ARGV[at]
end
return last
