"""From records to what people and programs read: one document, many renderings."""
