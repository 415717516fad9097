package wire

import "time"

// ProfileUser is a name that no user can have, because GET users/profile is another route.
const ProfileUser = "profile"

// User is a user, or a member of a project. A member shows only what concerns that
// project: ServiceRoles and CreatedBy are empty.
type User struct {
	UUID            string        `json:"uuid"`
	Name            string        `json:"name"`
	Projects        []UserProject `json:"projects"` // sorted by name
	FirstName       string        `json:"first_name,omitempty"`
	LastName        string        `json:"last_name,omitempty"`
	Organization    string        `json:"organization,omitempty"`
	Description     string        `json:"description,omitempty"`
	Email           string        `json:"email"`
	ServiceRoles    []string      `json:"service_roles"`
	Enabled         bool          `json:"enabled"`                    // not in AMS
	ConnectionTypes []string      `json:"connection_types,omitempty"` // how the user may connect to NATS; none: every type but leaf nodes. Not in AMS
	CreatedOn       time.Time     `json:"created_on,omitzero"`
	ModifiedOn      time.Time     `json:"modified_on,omitzero"`
	CreatedBy       string        `json:"created_by,omitempty"` // name of a user
}

// UserProject is the membership of a user in one project.
type UserProject struct {
	Project       string   `json:"project"`
	Roles         []string `json:"roles"`
	Topics        []string `json:"topics"`        // topics whose ACL names the user; ignored in a request
	Subscriptions []string `json:"subscriptions"` // subscriptions whose ACL names the user; ignored in a request
}

// UserCreated is a user with a new key. It is the only response that contains the secret
// key.
type UserCreated struct {
	User
	Token string `json:"token"` // the secret key
	Key   string `json:"key"`   // the name of the key; not in AMS

	ExpiresOn time.Time `json:"expires_on,omitzero"` // of the key; absent: the key does not expire. Not in AMS
}

// UserInput creates or changes a user. Fields that are not set stay as they are; an empty
// string or list clears a field.
type UserInput struct {
	Name            *string        `json:"name,omitempty"` // the new name, in a change
	Projects        []ProjectRoles `json:"projects,omitzero"`
	FirstName       *string        `json:"first_name,omitempty"`
	LastName        *string        `json:"last_name,omitempty"`
	Organization    *string        `json:"organization,omitempty"`
	Description     *string        `json:"description,omitempty"`
	Email           *string        `json:"email,omitempty"`
	ServiceRoles    []string       `json:"service_roles,omitzero"`
	Enabled         *bool          `json:"enabled,omitempty"`         // not in AMS
	ConnectionTypes []string       `json:"connection_types,omitzero"` // not in AMS
}

// ProjectRoles is the membership that a user should have in a project. It is also the body
// of members/{user}:add, where Project is optional.
type ProjectRoles struct {
	Project string   `json:"project,omitempty"`
	Roles   []string `json:"roles"`
}

// UserList is one page of users or members, newest first.
type UserList struct {
	Users         []User `json:"users"`
	NextPageToken string `json:"nextPageToken"` // empty: this is the last page
	TotalSize     int    `json:"totalSize"`     // number of users on all pages
}
