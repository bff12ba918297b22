-- The shape of what is believed of an ability: nearer to what all answers at once say.

-- assessment/abilities
ALTER TABLE abilities
    ADD COLUMN skewness        float8 NOT NULL DEFAULT 0, -- third standardised moment
    ADD COLUMN excess_kurtosis float8 NOT NULL DEFAULT 0; -- fourth, less the 3 of a Gaussian
