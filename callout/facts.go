package callout

import (
	"errors"
	"fmt"
	"strings"

	"usher/directory"
	"usher/directory/given"
	"usher/identity"
	"usher/permissions/mapping"
	"usher/tokens"
)

// findFacts finds what the directory, or the rules of identities, say about the identity
// of c. It reports whether a grant can be derived from it.
func (d *Decision) findFacts(c *tokens.Credential) bool {
	switch {
	case d.Identity.Authority == identity.AuthorityUsher:
		return true
	case d.Snapshot == nil:
		return d.fail(Unavailable, CodeNoDirectory, "no directory is loaded")
	case d.Identity.Authority == identity.AuthorityDirectory:
		return d.findUser()
	default:
		return d.mapIdentity(c)
	}
}

// findUser finds the facts of a user of the directory.
func (d *Decision) findUser() bool {
	facts, ok := d.Snapshot.Facts(d.Identity.Name, d.Identity.Selection.Project)
	if !ok {
		return d.fail(Denied, CodeUserUnknown, "the user is not in the directory")
	}
	if err := tokens.CheckUser(facts.User, d.Identity); err != nil { // not every verifier checks this
		d.verifyFailed(err)
		return false
	}
	return d.setFacts(facts)
}

// mapIdentity gives the identity of another authority its name and its facts, which are
// those of a user of the directory, of roles in projects, or of a profile.
func (d *Decision) mapIdentity(c *tokens.Credential) bool {
	id := &d.Identity
	if id.Authority == "" {
		return d.fail(Unavailable, CodeInternal, "a verifier did not say who vouches for the identity")
	}
	result, err := d.Ruleset.Rules.Map(id)
	d.Rules = result.Rules
	if err != nil {
		return d.mappingFailed(err)
	}
	if id.Name = result.User; id.Name == "" {
		id.Name = mapping.Name(id.Authority, id.ID)
	}
	// A certificate has no token, but Token cannot tell a user name alone from one.
	own := id.Selection.IsZero() && c.User == id.Name && (c.User != c.Token() || id.Method == identity.MethodCertificate)
	id.Selection.OwnName = id.Selection.OwnName || own // already set: the identity of a session
	if result.User != "" {
		return d.findUser()
	}
	if result.Profile != "" {
		return d.setFacts(given.Profile(d.Snapshot, id.Name, result.Profile, id.Selection.Project))
	}
	var service []directory.ServiceRole
	if result.Ingest {
		service = append(service, directory.ServiceRoleIngest)
	}
	facts, unknown := given.Facts(d.Snapshot, id.Name, result.Roles, service, id.Selection.Project)
	if !d.setFacts(facts) {
		return false
	}
	if len(facts.Memberships) == 0 && len(service) == 0 {
		return d.fail(Denied, CodeIdentityProject, fmt.Sprintf("rule %s gives roles in projects that are not in the directory: %s",
			strings.Join(result.Rules, ", "), strings.Join(unknown, ", ")))
	}
	return true
}

// setFacts sets the facts of the identity, unless they are not certain.
func (d *Decision) setFacts(facts directory.Facts) bool {
	d.Facts = facts
	if facts.Undecided {
		return d.fail(Unavailable, CodeUnreadable, "an entry about a project or a membership of the user cannot be read")
	}
	return true
}

// fail sets an outcome that is not Granted, and returns false.
func (d *Decision) fail(o Outcome, code, cause string) bool {
	d.set(o, code, cause)
	return false
}

func (d *Decision) mappingFailed(err error) bool {
	switch {
	case errors.Is(err, mapping.ErrNoRule):
		return d.fail(Denied, CodeNoIdentityRule, err.Error())
	case errors.Is(err, mapping.ErrValue):
		return d.fail(Denied, CodeIdentityValue, err.Error())
	case errors.Is(err, mapping.ErrAmbiguous):
		return d.fail(Denied, CodeIdentityAmbiguous, err.Error())
	default:
		return d.fail(Unavailable, CodeInternal, err.Error())
	}
}
