package tokens

import (
	"usher/directory"
	"usher/identity"
)

// CodeUserDisabled is the code of CheckUser's rejection.
const CodeUserDisabled = "user_disabled"

// CheckUser says why a user of the directory is not let in, whatever vouches for
// it: a Reason with id, or nil. It holds for every kind of credential.
func CheckUser(u *directory.User, id identity.Identity) error {
	if u.Disabled {
		return Reject(CodeUserDisabled, "the user is disabled", id)
	}
	return nil
}
