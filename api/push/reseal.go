package push

import (
	"context"
	"errors"

	"usher/api/rest"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/issuer"
	"usher/issuer/sharedkey/box"
)

// errFresh is not a failure: somebody else has sealed the header again.
var errFresh = errors.New("the header is sealed for these keys")

// Stale returns the subscriptions whose headers are not sealed for exactly the keys of the
// keyring, as "PROJECT/SUBSCRIPTION", in the order of the directory.
func Stale(s *snapshot.Snapshot, b Sealer) (all []string) {
	for p := range s.Projects() {
		for i := range p.Subscriptions {
			if sub := &p.Subscriptions[i]; stale(sub, b) {
				all = append(all, p.Name+"/"+sub.Name)
			}
		}
	}
	return all
}

// Opens counts the headers by the signing keys of a keyring that open them, given by their
// public keys: those that one key alone opens, by that key, and those that none opens.
func Opens(s *snapshot.Snapshot, signers []issuer.Signer) (alone map[string]int, none []string) {
	alone = map[string]int{}
	for p := range s.Projects() {
		for i := range p.Subscriptions {
			sub := &p.Subscriptions[i]
			if sub.Push == nil || sub.Push.Authorization == nil {
				continue
			}
			var openers []string
			for _, key := range signers {
				if box.SealedFor(sub.Push.Authorization.Sealed, key.PublicKey()) {
					openers = append(openers, key.PublicKey())
				}
			}
			switch len(openers) {
			case 0:
				none = append(none, p.Name+"/"+sub.Name)
			case 1:
				alone[openers[0]]++
			}
		}
	}
	return alone, none
}

func stale(sub *directory.Subscription, b Sealer) bool {
	if sub.Push == nil || sub.Push.Authorization == nil {
		return false
	}
	a := sub.Push.Authorization
	return !b.Fresh(a.Sealed) || len(a.Previous) > 0 && !b.Fresh(a.Previous)
}

// Reseal seals every header again that is not sealed for exactly the keys of the keyring. It
// returns how many it has sealed, and the first error; it goes on after an error.
func Reseal(ctx context.Context, store rest.Store, b Sealer) (n int, err error) {
	s := store.Snapshot()
	if s == nil {
		return 0, nil
	}
	for p := range s.Projects() {
		for i := range p.Subscriptions {
			if !stale(&p.Subscriptions[i], b) {
				continue
			}
			switch e := resealOne(ctx, store, b, p.Name, p.Subscriptions[i].Name); {
			case e == nil:
				n++
			case !errors.Is(e, errFresh) && err == nil:
				err = e
			}
		}
	}
	return n, err
}

func resealOne(ctx context.Context, store rest.Store, b Sealer, project, name string) error {
	_, err := store.Change(ctx, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		p, exists := s.Project(project)
		sub, found := s.Subscription(project, name)
		if !exists || !found || !stale(sub, b) {
			return nil, errFresh
		}
		changed, push, a := *sub, *sub.Push, *sub.Push.Authorization
		for _, sealed := range []*[]byte{&a.Sealed, &a.Previous} {
			if len(*sealed) == 0 {
				continue
			}
			header, err := b.Open(ctx, *sealed, place(p, name))
			if err == nil {
				*sealed, err = b.Seal(ctx, header, place(p, name))
			}
			if err != nil {
				return nil, err
			}
		}
		push.Authorization, changed.Push = &a, &push
		return directory.Put(directory.ResourceKey(directory.KindSubscription, p.ID, name), &changed), nil
	})
	return err
}
