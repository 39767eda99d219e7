-- Which ten authors have received the most reactions that still stand? A reaction that was changed counts once, one that was
-- taken back does not count. Authors with equally many are in the order of their ids.
SELECT
    data ->> '$.post_author_id' AS author_id,
    sum(CASE type WHEN 'reaction.added.v1' THEN 1 ELSE -1 END) AS reactions
FROM event
WHERE type IN ('reaction.added.v1', 'reaction.removed.v1')
GROUP BY author_id
HAVING reactions > 0
ORDER BY reactions DESC, author_id
LIMIT 10;
