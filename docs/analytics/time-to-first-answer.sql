-- How long does a post wait for its first comment, and for the first decision of moderation about it? Medians over the posts
-- that got one, in seconds after the first publication, with the number of those posts.
WITH post AS (
    SELECT aggregate_id AS post_id, min(time) AS published
    FROM event
    WHERE type = 'post.published.v1'
    GROUP BY post_id
),
answer AS (
    SELECT 'comment' AS answer, data ->> '$.post_id' AS post_id, min(time) AS answered
    FROM event
    WHERE type = 'comment.added.v1'
    GROUP BY post_id
    UNION ALL
    SELECT 'decision', data ->> '$.subject.id', min(time)
    FROM event
    WHERE type = 'case.decided.v1' AND data ->> '$.subject.kind' = 'post'
    GROUP BY ALL
)
SELECT
    answer,
    count(*) AS posts,
    median(epoch(answered - published)) AS median_seconds
FROM answer
JOIN post USING (post_id)
GROUP BY answer
ORDER BY answer;
