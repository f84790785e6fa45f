"""Run the migrations inside the transaction that `tutelage.store.migrate` opened; Alembic loads this file."""

from alembic import context

from tutelage.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
