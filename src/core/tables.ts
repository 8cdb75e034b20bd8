// Every table whose columns are declared beside its SQL. Whoever opens a database imports this file, so that rows come
// with their types from any query.
import './users/users.ts';
