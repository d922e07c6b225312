"""The obvious monolith, which the mesh is compared with: FastAPI, SQLAlchemy's ORM and uvicorn, one
transaction a request, on the same server and the same tables, doing the same stored work."""
