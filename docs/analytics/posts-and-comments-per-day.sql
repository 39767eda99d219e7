-- How many posts and comments came into the world on each day (UTC)?
-- A post that was archived and published again counts once, on the day of its first publication.
WITH first_publication AS (
    SELECT aggregate_id, min(time) AS time
    FROM event
    WHERE type = 'post.published.v1'
    GROUP BY aggregate_id
),
birth AS (
    SELECT 'post' AS kind, CAST(time AT TIME ZONE 'UTC' AS DATE) AS day FROM first_publication
    UNION ALL
    SELECT 'comment', date FROM event WHERE type = 'comment.added.v1'
)
SELECT
    day,
    count(*) FILTER (WHERE kind = 'post') AS posts,
    count(*) FILTER (WHERE kind = 'comment') AS comments
FROM birth
GROUP BY day
ORDER BY day;
