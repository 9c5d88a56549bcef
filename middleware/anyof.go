package middleware

import (
	"context"
	"errors"
	"fmt"
)

// AnyOf lets in whom one of the gates lets in: AnyOf(AllowOrgs("acme"), AllowUsers(583231)). They are asked in order until
// one says yes. If none does, and one can't be asked, it is not known: it could have been a yes.
func AnyOf(gates ...Gate) Gate { return anyOf(gates) }

type anyOf []Gate

// Ask implements [Gate].
func (a anyOf) Ask(ctx context.Context, id Identity) error {
	var no *Refusal
	var unknown error
	for _, g := range a {
		err := g.Ask(ctx, id)
		if err == nil {
			return nil
		}
		r, refused := errors.AsType[*Refusal](err)
		switch {
		case !refused:
			unknown = errors.Join(unknown, err)
		case no == nil, no.kind() == KindNotAllowed && r.kind() != KindNotAllowed: // What can be mended says more.
			no = r
		}
	}
	switch {
	case unknown != nil:
		return unknown
	case no != nil:
		return no
	}
	return &Refusal{}
}

// String names the gate in the log.
func (a anyOf) String() string { return fmt.Sprintf("AnyOf%v", []Gate(a)) }

func (a anyOf) check() error {
	if len(a) == 0 {
		return errors.New("AnyOf has no gates, and would let nobody in")
	}
	for _, g := range a {
		if err := checkGate(g); err != nil {
			return fmt.Errorf("AnyOf: %w", err)
		}
	}
	return nil
}

func (a anyOf) scopes() (all []string) {
	for _, g := range a {
		all = append(all, gateScopes(g)...)
	}
	return all
}
