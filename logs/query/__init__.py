"""Questions about stored records: filters come in, SQL parameters go to the store, records come back."""
