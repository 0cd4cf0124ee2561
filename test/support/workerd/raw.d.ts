/** A file as text, put into a test's bundle: inside workerd there are no files. */
declare module "*.md?raw" {
  const text: string;
  export default text;
}
