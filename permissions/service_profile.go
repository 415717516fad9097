package permissions

import (
	"errors"
	"fmt"
)

// ErrNoProfile: the configuration has no profile of this name. It is a denial.
var ErrNoProfile = errors.New("there is no such profile")

// Profile is what an internal service may do: these subjects of this account, and nothing
// else. There is no private inbox in it: a service that receives replies states the
// subjects to which they come.
type Profile struct {
	Name      string
	Account   string
	Publish   []string
	Subscribe []string
}

// ReservedProfiles returns the names that no Profile has, because they are those of
// profiles in this package.
func ReservedProfiles() []string { return []string{profileHealthCheck, profileIngest, profileService} }

// CheckSubject returns an error if a profile must not have a subject on one side: if it
// is no subject, or if it violates an invariant of every grant. Of the subjects that reach
// the authorization requests only ">" is allowed, with them left out: whoever writes any
// other one has made a mistake.
func CheckSubject(side Side, subject string) error {
	switch {
	case !ValidSubject(subject):
		return errors.New("is not a subject")
	case subject == ">":
		return nil
	case Overlaps(reach(side, subject), authSubject):
		return fmt.Errorf("reaches %s", authSubject)
	case hasOpenTail(side, subject):
		return errors.New("has no exact number of tokens below $JS")
	default:
		return nil
	}
}

// profile returns the profile of a name.
func (p *Policy) profile(name string) (*Profile, error) {
	for i := range p.Profiles {
		if p.Profiles[i].Name == name {
			return &p.Profiles[i], nil
		}
	}
	return nil, fmt.Errorf("%w: %q", ErrNoProfile, name)
}

// addProfile adds the rules of a profile.
func addProfile(b *builder, p *Profile) {
	o := Origin{Source: SourceProfile, Role: p.Name}
	b.grow(len(p.Publish) + len(p.Subscribe) + commonRules)
	for _, s := range p.Publish {
		b.allow(Publish, s, o)
	}
	for _, s := range p.Subscribe {
		b.allow(Subscribe, s, o)
	}
}

// maxLength returns an upper bound of the length of a profile in an answer, in bytes.
func (p *Profile) maxLength() int {
	n := maxEscape * len(p.Name)
	for _, s := range p.Publish {
		n += maxEscape*len(s) + stringOverhead
	}
	for _, s := range p.Subscribe {
		n += maxEscape*len(s) + stringOverhead
	}
	return n
}
