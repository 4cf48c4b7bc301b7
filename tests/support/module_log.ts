/** Preloaded into a program: tells on stderr which modules of Node it asks for when it runs. */

const { getBuiltinModule } = process;
process.getBuiltinModule = ((name: string) => {
  console.error(`asked for ${name}`);
  return getBuiltinModule(name);
}) as typeof getBuiltinModule;
