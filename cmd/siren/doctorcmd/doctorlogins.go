package doctorcmd

import (
	"context"
	"os"
	"slices"
	"strconv"

	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/doctor/database"
	"github.com/polyglot-media/siren/lanes/role"
)

// redis looks at each login that there is here for the roles; of the second on at what it may do alone.
func (d *examination) redis(ctx context.Context) (found []doctor.Finding) {
	if d.store == nil {
		return unknownServer("redis.reachable")
	}
	for i, l := range d.logins() {
		store, err := l.at.Store(discard)
		if err != nil {
			return append(found, doctor.Check("redis.reachable").Error(
				err.Error(), "no process of Siren's can start without", "correct the URL"))
		}
		for _, f := range database.Examine(ctx, store, l.roles...) {
			if i == 0 || f.Check == "redis.reachable" || f.Check == "redis.rights" {
				found = append(found, f)
			}
		}
		store.Close()
	}
	if ephemeral, _ := strconv.ParseBool(os.Getenv("SIREN_REDIS_EPHEMERAL")); ephemeral {
		found = append(found, database.Ephemeral())
	}
	return found
}

// login is a way into Redis, and who goes it.
type login struct {
	at    reach.Endpoints
	roles []string
}

// logins returns those of the roles that were said, and a person's beside them, where they differ; a person's alone
// where none was said.
func (d *examination) logins() (all []login) {
	roles := []string{role.Operator}
	if d.told {
		roles = append(slices.Clone(d.roles), roles...)
	}
	for _, r := range roles {
		at, err := d.asked.As(r).Find()
		if err != nil {
			continue // newExamination has found the person's
		}
		i := slices.IndexFunc(all, func(l login) bool { return l.at.Redis.URL == at.Redis.URL })
		switch {
		case i < 0:
			all = append(all, login{at, []string{r}})
		case r != role.Operator: // else it is there for the others
			all[i].roles = append(all[i].roles, r)
		}
	}
	return all
}
