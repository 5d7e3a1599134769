// Package access is who may do what in Redis: one table of roles, patterns of keys and commands, from which the roles'
// ACL users follow. What these users' passwords are it doesn't decide, but for those of a private Redis.
package access
