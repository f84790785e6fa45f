"""Run the migrations inside the transaction that `tutelage.store.migrate` opened; Alembic loads this file."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
