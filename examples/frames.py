"""A sales report with pandas, one row at a time."""

import pandas as pd

sales = pd.DataFrame(
    {
        "region": ["north", "south", "north", "east"] * 25,
        "price": [3.5, 2.0, 8.25, 1.0] * 25,
        "quantity": [2, 7, 1, 30] * 25,
    }
)

# Revenue of each sale
sales["revenue"] = sales.apply(lambda row: row["price"] * row["quantity"], axis=1)

# Revenue in all
total = 0.0
for _, row in sales.iterrows():
    total += row["revenue"]

# One frame out of many
report = pd.DataFrame()
for region in ["north", "south", "east"]:
    part = sales[sales["region"] == region].head(3)
    report = pd.concat([report, part])  # the first three of each region

# Kept for later
cheap = sales.sort_values("price", inplace=True)

print(total, len(report), sales["price"].iloc[0])
