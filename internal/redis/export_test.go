package redis

import goredis "github.com/redis/go-redis/v9"

// Client is the store's own.
func (s *Store) Client() goredis.UniversalClient { return s.client }

// Ahead is ahead.
var Ahead = ahead
