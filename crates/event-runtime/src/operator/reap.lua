-- Deletes a member of a consumer group, only if nothing is pending for it: its pending entries would go with it, and
-- would never be delivered again. Looking and deleting are one step, so that nothing can be delivered to it in between.
--
-- KEYS[1]  the stream
-- ARGV[1]  the group
-- ARGV[2]  the member
--
-- Returns 1 if it was deleted, 0 if there is no such member, and minus the number of its pending entries otherwise.
local members = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if members.err then return 0 end
for _, member in ipairs(members) do
  local fields = {}
  for i = 1, #member, 2 do fields[member[i]] = member[i + 1] end
  if fields['name'] == ARGV[2] then
    if fields['pending'] > 0 then return -fields['pending'] end
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
    return 1
  end
end
return 0
