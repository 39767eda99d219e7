-- Every other file of this directory asks the view that is made here. Before it, set the variable `archive` to the directory
-- of a Parquet export:  SET VARIABLE archive = 'my-export';
CREATE OR REPLACE VIEW event AS
SELECT *
FROM read_parquet(getvariable('archive') || '/date=*/*.parquet', hive_partitioning = true, hive_types = {'date': DATE});
