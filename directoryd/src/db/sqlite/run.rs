//! Running queries as diesel-async has it, over the connection that blocks: so that the queries read the same for both.

use std::future::{Ready, ready};

use diesel::QueryResult;
use diesel::dsl::Limit;
use diesel::query_dsl::methods::{ExecuteDsl, LimitDsl, LoadQuery};
use diesel::sqlite::SqliteConnection;

/// [`diesel::RunQueryDsl`], each answer as a future that is done.
pub(in crate::db) trait RunQueryDsl: Sized {
    /// Runs a statement; how many rows it touched.
    fn execute(self, connection: &mut SqliteConnection) -> Ready<QueryResult<usize>>
    where
        Self: ExecuteDsl<SqliteConnection> + diesel::RunQueryDsl<SqliteConnection>,
    {
        ready(diesel::RunQueryDsl::execute(self, connection))
    }

    /// All rows.
    fn load<'query, U>(self, connection: &mut SqliteConnection) -> Ready<QueryResult<Vec<U>>>
    where
        Self: LoadQuery<'query, SqliteConnection, U> + diesel::RunQueryDsl<SqliteConnection>,
    {
        ready(diesel::RunQueryDsl::load(self, connection))
    }

    /// The row that a query gives.
    fn get_result<'query, U>(self, connection: &mut SqliteConnection) -> Ready<QueryResult<U>>
    where
        Self: LoadQuery<'query, SqliteConnection, U> + diesel::RunQueryDsl<SqliteConnection>,
    {
        ready(diesel::RunQueryDsl::get_result(self, connection))
    }

    /// The first row, and no other is read.
    fn first<'query, U>(self, connection: &mut SqliteConnection) -> Ready<QueryResult<U>>
    where
        Self: LimitDsl + diesel::RunQueryDsl<SqliteConnection>,
        Limit<Self>: LoadQuery<'query, SqliteConnection, U>,
    {
        ready(diesel::RunQueryDsl::first(self, connection))
    }
}

impl<T: diesel::RunQueryDsl<SqliteConnection>> RunQueryDsl for T {}
