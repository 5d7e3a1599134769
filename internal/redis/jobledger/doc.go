// Package jobledger makes and changes the records of jobs, and grants the claims on jobs: every move is a script in
// lua, so that a record and the indexes of waiting jobs never say two things. While Redis is away jobs run without
// claims, and how they ended is kept in a bounded buffer until it is back.
package jobledger
