package middleware

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// AllowUsers lets in the accounts with these ids. They are numbers because a login can be changed, and be taken by
// somebody else then (GitHub docs, "Changing your username"); https://api.github.com/users/LOGIN shows an account's id.
// It asks GitHub nothing. No id, or one that is none, is an error of [New].
func AllowUsers(ids ...int64) Gate { return allowUsers(ids) }

type allowUsers []int64

// Ask implements [Gate].
func (a allowUsers) Ask(_ context.Context, id Identity) error {
	if slices.Contains(a, id.User.ID) {
		return nil
	}
	return &Refusal{}
}

// String names the gate in the log.
func (a allowUsers) String() string { return "AllowUsers of " + strconv.Itoa(len(a)) }

func (a allowUsers) check() error {
	if len(a) == 0 {
		return errors.New("AllowUsers has no ids, and would let nobody in")
	}
	for _, id := range a {
		if id <= 0 {
			return fmt.Errorf("AllowUsers(%d): an account's id is more than zero", id)
		}
	}
	return nil
}

// AllowOrgs lets in the members of one of the organizations, private members too, whose invitation they have accepted. Names
// count whole and without regard to case. No name, or one that can't be an organization's, is an error of [New].
//
// An OAuth App needs the scope read:org for it, which belongs into [Config.Scopes]; whoever comes without is asked for
// it on a page. A GitHub App needs the organization permission "Members", read-only, and must be installed on the organization.
// An organization that restricts OAuth Apps must approve this one. An organization that is renamed frees its name for
// others: change it here as well.
func AllowOrgs(names ...string) Gate {
	g := &allowMembers{name: "AllowOrgs"}
	for _, name := range names {
		g.places = append(g.places, membership{org: name})
	}
	return g
}

// AllowTeams lets in the members of one of the teams, written as "acme/admins": the organization and the team's slug, as they
// stand in its address. Members of a team's child teams are members of it. The rest is as with [AllowOrgs].
func AllowTeams(teams ...string) Gate {
	g := &allowMembers{name: "AllowTeams"}
	for _, name := range teams {
		org, team, _ := strings.Cut(name, "/")
		g.places = append(g.places, membership{org, team})
	}
	return g
}

type allowMembers struct {
	name   string
	places []membership
}

// Ask implements [Gate].
func (g *allowMembers) Ask(ctx context.Context, id Identity) error {
	places := make(anyOf, 0, len(g.places))
	for _, m := range g.places {
		places = append(places, m)
	}
	return places.Ask(ctx, id)
}

// String names the gate in the log.
func (g *allowMembers) String() string { return fmt.Sprintf("%s%v", g.name, g.places) }

func (g *allowMembers) scopes() []string { return []string{"read:org"} }

// orgName is what GitHub takes for one, and slug what it makes of a team's name; users of managed enterprises have names with
// an underscore.
var (
	orgName = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98}[A-Za-z0-9])?$`)
	slug    = regexp.MustCompile(`^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,198}[A-Za-z0-9_])?$`)
)

func (g *allowMembers) check() error {
	if len(g.places) == 0 {
		return fmt.Errorf("%s has no names, and would let nobody in", g.name)
	}
	for _, m := range g.places {
		switch {
		case g.name == "AllowOrgs" && !orgName.MatchString(m.org):
			return fmt.Errorf("AllowOrgs(%q): write the organization's name as in its address, such as acme", m.org)
		case g.name == "AllowTeams" && (!orgName.MatchString(m.org) || !slug.MatchString(m.team)):
			return fmt.Errorf("AllowTeams(%q): write the organization's name, a slash and the team's as in its address, such as acme/admins", m.org+"/"+m.team)
		}
	}
	return nil
}
