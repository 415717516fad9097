package tokens

import (
	"usher/directory"
	"usher/identity"
)

// CodeUserDisabled is the code of CheckUser's rejection.
const CodeUserDisabled = "user_disabled"

// CheckUser returns a Reason with id if a user of the directory may not connect, and
// nil otherwise. Every verifier calls it, whatever the kind of credential.
func CheckUser(u *directory.User, id identity.Identity) error {
	if u.Disabled {
		return Reject(CodeUserDisabled, "the user is disabled", id)
	}
	return nil
}
