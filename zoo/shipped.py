"""The sums of the weights that ship: in the code, so that whoever changes weights and their card has not changed what
they must be. `registry.ship` writes them."""

from pathlib import Path

from zoo import files

FILE = Path(__file__)


def record(name: str, sha256: str) -> None:
    """Writes the sum of a model's weights into this file, at its end."""
    SHA256[name] = sha256
    code = FILE.read_text() if FILE.exists() else Path(__file__).read_text()
    lines = "".join(f'    "{key}": "{value}",\n' for key, value in sorted(SHA256.items()))
    files.write(FILE, f"{code.partition(_TABLE)[0]}{_TABLE}{lines}}}\n")


_TABLE = "SHA256: dict[str, str] = {\n"
SHA256: dict[str, str] = {
    "cyclegan-gaussian": "3442876e6ad8a60996c0c007c36488a94b4d2ae3072dcba79335f3558edff0da",
    "cyclegan-gaussian-photos": "f1695401dc41e4d5650b1fd28d0e9a97966a94a6927514f16b7417ca8afeace4",
    "cyclegan-paper-gaussian": "949f6fbe11ea2f2183fdc8c588b66c9657467914689cdde256d1df1a579d7055",
    "cyclegan-paper-salt-and-pepper": "39f987486f0f43fe7c883e33a0094a0ce45f91278434ebc3904bae71cbdf1145",
    "cyclegan-salt-and-pepper": "935cc3f3145d6e46293dd7c0c046364685128324d02dd109f43dffd746849bb2",
    "cyclegan-salt-and-pepper-photos": "45199dbd02c432ad4914cb5d194a04f4f57e2fb8f6d5babe128b059eae8ebb4e",
    "deinterlace": "dd3766630e3b2a6715ca9cd7b1d488324c8dcbb9b0b0f2282ab56129745fa02f",
    "densenet-gaussian": "a0781a41847b6fa801a1cf5d665256392bcd0e86fbd496b7dc69fa993eca1e39",
    "densenet-gaussian-photos": "b95a819cf21fa70e12a6620cd70e8d146cb52fb2743973a68bd4247df044c645",
    "densenet-salt-and-pepper": "cdb2f19e957de7fc016cd5a6982bb0d752e37158e781a9b06529e617427813ca",
    "densenet-salt-and-pepper-photos": "fcf56d70865c1a0685f0b423f183d85cc3a84752787775309886c4a22e2ba218",
    "fast-gaussian": "42c1f19f21763d4426b9c7632f84e7d1a747132a999494a047a0abaead5b3751",
    "fast-gaussian-photos": "bfc9ac994b63fe78b25b888b8c8120e33ee4b8d72a91addf0f5954bc54978d79",
    "fast-grain": "b8e201f3f4a000c2f22e70a4ab3ce89e35e3f28e26a8cf73ca9bdacd956f18e9",
    "fast-grain-photos": "5bc30542a6d0c714acc6f6ab4c1423e13be310b8c898e2e06b92d93f3680a20e",
    "fast-salt-and-pepper": "e01f4ab55ba0162adc02d50612867d8dcb51d40f247a9419d05411ad8d386d6c",
    "fast-salt-and-pepper-photos": "38d7752783fc240a75023a3151ecb93fa045ac64b63a2df4d9bbc4160af728e3",
    "film-gaussian": "23d8d9a7e68e2f15e861f99701b9cea639a3ebd448bf48943673a7cc4cd3fe80",
    "film-grain": "ddeddba10b25db297d752c70cf8521f3155c49fc116f1ee23573293d7a337774",
    "gan-gaussian": "bc603cf66918d26f233ef97dd85caee5611626fdc61100247531cf45078ae212",
    "gan-gaussian-photos": "44afc09b318d7e42a75236952c8efa7bc9c088456653c4441a978b640fffa8cd",
    "gan-paper-gaussian": "b0c612d3aca3b29b2976bd33c1b8494a6fe97d0b168e628b7501f9bc26331b24",
    "gan-paper-salt-and-pepper": "2f560f4193cd520503e99f95888c2daadcf6cc35b2860a99a1516e821193280a",
    "gan-pictures": "f60c2e3f0935d075e1a184e3b88b98cc4d189c8dfcd69aed90bf2febd8280e8d",
    "gan-salt-and-pepper": "64e27007373f484ed185dd9c8ce7455595f213a4c20ed218886cc8d273c39393",
    "gan-salt-and-pepper-photos": "9b19d34a46c72a7dc1572ca7536ff75aa6a82c3f39344d0f7de5957ab064088c",
    "repair": "7fa8873c5bb78d50c514147f04d56f8a766adf2691edae4ed759ff59d9cb7200",
    "resnet-gaussian": "76e6775efcfe7157346b55b77620547e75444ac7f53f2f1c9597e6adde1e3a01",
    "resnet-gaussian-photos": "fdcbd9927a0da465ac8c5d375d007d5122ccc49b591ec514f0fa9124a0c1acaf",
    "resnet-salt-and-pepper": "8dcb4dc8be270160ad5e6a35da51f7b43032d4a1dcb2b1f1fa199ead7e8b3bd5",
    "resnet-salt-and-pepper-photos": "a0f5d7128da2d21b60583d6cff52c8534e45871278746df59437af1e078d78c8",
    "unet-gaussian": "a091e93b5123cd273201264df8e78c6f915a42446263725f56c6772c48441f1d",
    "unet-gaussian-photos": "1680bc8225a6f9579e6f1ec4bc9a17dc0ad810b5c08490e5e920ebb18009d966",
    "unet-salt-and-pepper": "904726a90368c4495e671ea60c2a5b17b7ff72c7c6010b8c27be67e67aa2ce4f",
    "unet-salt-and-pepper-photos": "90a67771be842005fea909489eae77d72430e8503b10ad4f9e167dc734ebee2e",
    "upscale-tv": "0dd0ec67f95add9203d10361b7084bbd6e3d4aced47237a17ced4211e1c331fd",
    "upscale-x2": "1c059fc4401fbc3e5478eced67857bbedb06ad5d9b95455b3a02358ca8e54f44",
    "upscale-x4": "d4643148622d8930c0a5782fe72207cc6558dc9ee0d1695260ee5eefedf7be37",
}
