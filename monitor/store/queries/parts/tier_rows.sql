-- What a series takes of one row of a tier.
    SELECT ts, n
-- :if gpu is given
        , gpu, uuid, name
-- :endif
-- :for metric in metrics | names
        , wk_float({{ metric }}_min) AS {{ metric }}_lo, wk_float({{ metric }}_avg) AS {{ metric }}_mid, wk_float({{ metric }}_max) AS {{ metric }}_hi
-- :endfor
