/** Any warning of the process (a listener leak, a deprecation) fails the run: thrown here, it is an unhandled error. */
process.on("warning", (warning) => {
  throw warning;
});
