// Package endtoend has the tests of live sessions as a whole: three nats-servers in a cluster,
// three ushers and thousands of clients, each kind in processes of its own, while keys, ACLs,
// members, users and projects are taken away and while parts of it fail.
package endtoend
