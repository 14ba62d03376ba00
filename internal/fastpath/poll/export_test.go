package poll

// Registered returns the number of registered servers.
func Registered() (n int) {
	servers.Range(func(any, any) bool { n++; return true })
	return n
}
